"""What is measured: one module for each measure, each with the figures that it takes of one contestant in one round."""
