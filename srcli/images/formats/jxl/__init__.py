"""JPEG XL (ISO/IEC 18181): pixels by imagecodecs; the header, the profile and the container by our own."""
