package beegate.tour;

import java.util.Objects;

/** Counts the facts that hold; one that does not ends the tour. */
final class Tap {
  private static int passed;

  private Tap() {}

  static void check(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
    passed += 1;
    System.out.printf("ok %d - %s%n", passed, what);
  }

  static void equal(Object expected, Object found, String what) {
    if (!Objects.equals(expected, found)) {
      throw new AssertionError(what + ": expected " + expected + ", found " + found);
    }
    check(true, what);
  }

  static void failed(Throwable error) {
    System.out.printf("not ok %d - %s%n", passed + 1, error);
    error.printStackTrace(System.out);
  }

  static void end() {
    System.out.printf("%d passed, 0 failed%n", passed);
  }
}
