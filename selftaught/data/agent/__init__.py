"""What an agent observes: environments that it acts in, and trajectories that were recorded."""
