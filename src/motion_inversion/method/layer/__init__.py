"""Changes to a frozen UNet's layers that methods share; undone, the UNet is as it was."""
