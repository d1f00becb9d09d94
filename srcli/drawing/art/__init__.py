"""Pictures for their own sake: comics, line art, logos, patterns, prints."""
