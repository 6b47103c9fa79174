"""Use cases: a file a noun, a function a verb. Each authorises, loads, decides, saves and audits; none commits."""
