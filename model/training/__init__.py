"""What a training job is made of; `python -m model.train` starts one."""
