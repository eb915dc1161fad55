"""Starts the PyTorch trainer: `python profilers/pytorch` here, or as one file on a device.

runner/training/python-zip.ts packs this folder into that file.
"""
from edgefront_trainer.serve import main

main()
