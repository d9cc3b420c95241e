"""What every HTTP listener of ours needs: connections that end, bodies of a size, errors as problem documents."""
