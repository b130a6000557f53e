//! Syntax trees and a data set to circuits: names, sizes, instances, indices. The last place where a user's
//! mistake in a program can be found.

pub mod model;
