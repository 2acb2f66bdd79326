"""How the embedded shapes model is trained: data stream, autoencoder, contrastive text–image model, diffusion."""
