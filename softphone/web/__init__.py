"""The browser as a handset: the page, its signalling and WHIP."""
