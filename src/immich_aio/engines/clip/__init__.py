"""Chinese-CLIP: from an official checkpoint to vectors of images and texts."""
