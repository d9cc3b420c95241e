"""What the PBX pushes: the receiver of its webhooks, with a journal on disk."""
