"""Sound: the ports of the one mixer, and what plays into and records from them."""
