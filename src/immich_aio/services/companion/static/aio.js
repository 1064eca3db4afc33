// What the companion adds to Immich's web.
