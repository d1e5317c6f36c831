{
  # Kept in native/ and not at the root of the package, so that npm never compiles it unasked.
  "variables": {
    "holdfast_sources": [
      "module.cc",
      "env.cc",
      "job.cc",
      "seam.cc",
      "durable_write.cc",
      "ring.cc",
      "ring_engine.cc",
      "thread_engine.cc",
      "slot_region.cc",
      "queue.cc",
      "queue_api.cc",
      "log_file.cc",
      "file.cc",
      "verified_write.cc",
      "lock.cc",
      "guarded_copy.cc",
      "mapping.cc",
      "crc32c.cc",
      "crc32c_api.cc",
      "lz4.cc",
      "lz4_api.cc",
      "column_lanes.cc",
      "column_packed.cc",
      "column_entropy.cc",
      "column_api.cc",
      "place.cc",
    ],
    "sanitize%": "0",
  },
  "target_defaults": {
    "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
    "cflags": ["-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
    # Node.js asks for an older or newer standard depending on its version.
    "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
    # A worker that ends closes its addons. The SIGBUS handler of mapping.cc must outlive that.
    "ldflags": ["-Wl,-z,nodelete"],
    "conditions": [
      ["sanitize==1", {
        "cflags": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"],
        "ldflags": ["-fsanitize=address,undefined"],
      }],
    ],
  },
  "targets": [
    {
      "target_name": "holdfast",
      "sources": ["<@(holdfast_sources)"],
    },
    {
      # The same, with a fault seam that the shipped library does not have.
      "target_name": "holdfast_test",
      "product_dir": "<(PRODUCT_DIR)/seam",
      "defines": ["HOLDFAST_TEST_SEAM"],
      "sources": ["<@(holdfast_sources)"],
    },
  ],
}
