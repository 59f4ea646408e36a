package beegate.tour;

import java.time.Instant;

/** The brokers' clock, pinned and reset. */
final class Clock {
  /** A reset goes to one partition, in turn: so many reach the one that was pinned. */
  private static final int RESETS = 30;

  private Clock() {}

  static void tour(Tour tour) {
    Library.pinClock(tour.client, Instant.now()).send().join();
    for (int count = 0; count < RESETS; count++) {
      Library.resetClock(tour.client).send().join();
    }
    tour.check(true, "the clock is pinned and reset");
  }
}
