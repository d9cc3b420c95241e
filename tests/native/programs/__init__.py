"""Programs that the tests run in processes of their own, because they end or endanger a whole endpoint."""
