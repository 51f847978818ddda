"""The serving app: hands the curated store to `go` as a GOPROXY, and shows people what it holds.

It only reads. A request never reaches an upstream: a miss is recorded as an inclusion request and answered 404.
"""
