//! Every protocol step with every fault, on a real API server: no token leaks, and the object becomes ready, or reports
//! the reason as long as it is not.

mod case;
mod clocks;
mod final_state;
mod forbidden;
mod matrix;
mod proxy;
mod rejections;
mod steps;
mod table;
