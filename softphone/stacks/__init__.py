"""Ways to carry audio and calls. Each stack stands alone; `base` says what all of them offer."""
