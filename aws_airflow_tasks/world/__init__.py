"""The only impure hands: files, processes, command lines, AWS, Airflow's API. Library errors become TaskError here."""
