int careless(long wide) {
  int unused;
  int narrow = wide;
  return narrow;
}
