"""The container images: a tree of pinned wheels and our own code, put on a base by whatever builder is at hand.

    python -m gopherwood_images [--base ARCHIVE|IMAGE] [--builder docker|buildah|archive] [NAME ...]

The tree of an image is made here, outside of any container, from `requirements.lock`: so every builder puts the same
files into it, nothing is downloaded inside a build, and an image needs neither pip nor a shell. Where there is no
builder, the image is written as an OCI archive by ourselves (oci.py). docs/kubernetes.md tells how they are used.
"""
