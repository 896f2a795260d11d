//! Decisions in a small world that carries them out.

mod approvals;
mod broken;
mod create;
mod identities;
mod lanes;
mod nodes;
mod offline;
mod permits;
mod quorum;
mod roll;
mod scale;
mod settings;
mod states;
mod volumes;
mod world;
mod world_ticks;

use world::World;
