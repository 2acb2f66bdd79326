"""Pretrained text-to-video models behind one protocol: encode, decode, embed text, denoise."""
