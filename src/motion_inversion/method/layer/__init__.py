"""Changes to a frozen network's layers that methods share; undone, the network is as it was."""
