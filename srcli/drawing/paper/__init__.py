"""What is written, printed or plotted to be read: pages, notes, codes, charts, maps and plans."""
