"""PDFs: their pages as pictures, and pictures as pages with the text of the pages that they were made from."""
