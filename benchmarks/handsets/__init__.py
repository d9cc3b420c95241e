"""Browser handsets: our way beside a gateway that uses aiortc's tracks as documented."""
