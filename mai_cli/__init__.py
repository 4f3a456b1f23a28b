"""mai: pictures with Microsoft's MAI-Image models on Microsoft Foundry, from the command line."""

__version__ = "0.1.0"
