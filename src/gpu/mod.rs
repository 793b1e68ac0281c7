//! Compute shaders through wgpu. A shader, its dispatcher here and its CPU twin share one stem.
