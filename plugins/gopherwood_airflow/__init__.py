"""What the DAGs of Gopherwood share: the house operator, its node pools, assets and defaults.

It knows command lines, never task code: the tasks' package need not be installed where Airflow runs.
"""
