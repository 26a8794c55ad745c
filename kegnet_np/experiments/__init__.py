"""Questions put to the method: one engine of jobs, and what each question asks and shows."""
