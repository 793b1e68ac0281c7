//! Compiling a shader and binding its buffers.

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, CommandEncoder, ComputePassDescriptor,
    ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModuleDescriptor,
    ShaderSource,
};

use super::context::GpuContext;

/// A shader and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shader {
    pub label: &'static str,
    pub source: &'static str,
    pub entry: &'static str,
}

/// Compiles a shader with its overrides. The context's next wait reports an error.
pub(super) fn compute_pipeline(
    context: &GpuContext,
    shader: &Shader,
    overrides: &[(&str, f64)],
) -> ComputePipeline {
    let module = context.device.create_shader_module(ShaderModuleDescriptor {
        label: Some(shader.label),
        source: ShaderSource::Wgsl(shader.source.into()),
    });
    context.device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(shader.label),
        layout: None,
        module: &module,
        entry_point: Some(shader.entry),
        // The shaders write everything before they read it.
        compilation_options: PipelineCompilationOptions {
            constants: overrides,
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

/// Binds buffers to bindings 0, 1, … of group 0.
pub(super) fn bind(context: &GpuContext, pipeline: &ComputePipeline, buffers: &[&Buffer]) -> BindGroup {
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    context.device.create_bind_group(&BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}

/// Records one dispatch of a pipeline, of workgroups across and down.
pub(super) fn dispatch(
    encoder: &mut CommandEncoder,
    pipeline: &ComputePipeline,
    bindings: &BindGroup,
    across: u32,
    down: u32,
) {
    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, bindings, &[]);
    pass.dispatch_workgroups(across, down, 1);
}
