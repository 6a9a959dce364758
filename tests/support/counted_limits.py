"""A rate limit that keeps count of what it gives away."""

from threadfan import RateLimit


class CountedLimit(RateLimit):
    """Notes when each permit was taken that was used."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.taken = []

    def try_take(self, now, cost):
        """A permit, if there is one."""
        permit = super().try_take(now, cost)
        if permit is not None:
            self.taken.append(now)
        return permit

    def give_back(self, permit, now):
        """It was not used."""
        self.taken.remove(permit.at)
        super().give_back(permit, now)
