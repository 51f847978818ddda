"""What Gopherwood shows inside Airflow's UI: the view "Modules" and a tab on each DAG, as one small FastAPI app.

The pages hold no data of their own: numbers come from serving (asking.py), runs from Airflow (runs.py). Imported by the
API server alone: every process of Airflow loads the plugin, and most need none of this.
"""
