"""What several commands of `srcli train` share."""
