//! What S3 must do: one file per feature family.
