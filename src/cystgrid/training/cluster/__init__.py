"""Trainings on the machines of a Ray cluster; imported only where Ray is asked for."""
