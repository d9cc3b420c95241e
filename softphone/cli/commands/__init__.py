"""One module for each command or family of commands; each is loaded only when it is called."""
