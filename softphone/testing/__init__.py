"""What tests of a phone need, ours and our users': proofs about sound. Numpy only; nothing here loads the phone."""
