"""Shows an Answer and computes nothing: command line, text, pictures, pages, files."""
