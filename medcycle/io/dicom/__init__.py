"""DICOM series: reading them into volumes, and writing synthetic ones."""
