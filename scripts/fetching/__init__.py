"""Parts of fetch_data: what the user gave, and putting it where a manifest wants it."""
