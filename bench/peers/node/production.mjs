// Imported first by every peer: libraries look at these while they are being loaded, and check what a developer may get wrong unless told not to.

process.env.NODE_ENV ??= "production";
process.env.GRAPHILE_ENV ??= "production";
