"""What shows on a screen: windows and what is in them, icons, games."""
