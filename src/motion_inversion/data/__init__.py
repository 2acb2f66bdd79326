"""Reference clips: what they are, where their frames come from, and how clips are written and shown."""
