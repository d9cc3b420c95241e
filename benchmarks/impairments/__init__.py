"""What bad networks do to sound: our phone beside baresip, on the same stream at the same time."""
