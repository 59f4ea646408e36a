package beegate.tour;

import io.grpc.Status.Code;

/** What a gateway may answer instead of doing it: as gRPC and as REST say it. */
enum Refusal {
  NOT_FOUND(Code.NOT_FOUND, 404),
  INVALID_ARGUMENT(Code.INVALID_ARGUMENT, 400),
  ALREADY_EXISTS(Code.ALREADY_EXISTS, 409),
  INVALID_STATE(Code.FAILED_PRECONDITION, 409),
  /** Any other refusal of a broker. */
  EXCEEDED(Code.UNKNOWN, 500);

  final Code grpc;
  final int rest;

  Refusal(Code grpc, int rest) {
    this.grpc = grpc;
    this.rest = rest;
  }
}
