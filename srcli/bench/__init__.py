"""What models do on folders of photos (`quality`) and how long they take (`timing`)."""
