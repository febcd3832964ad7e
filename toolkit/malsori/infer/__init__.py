"""Speaking: voices from run folders and packs, synthesis, decoding of whole sets."""
