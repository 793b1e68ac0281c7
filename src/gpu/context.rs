//! Adapters, and a device that reports its loss.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wgpu::{
    Adapter, Backends, CommandEncoder, CommandEncoderDescriptor, Device, DeviceDescriptor, DeviceType,
    Instance, InstanceDescriptor, Limits, MemoryHints, PollType, Queue, SubmissionIndex,
};

/// A dispatch that takes longer has hung: a slow card completes each within a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a GPU could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// No adapter fits the request.
    #[error("{0}")]
    NoAdapter(String),
    /// The adapter refused a device.
    #[error("the adapter refused a device: {0}")]
    NoDevice(String),
    /// The device was lost, hung, ran out of memory, or its driver reported an error.
    #[error("the GPU failed: {0}")]
    Lost(String),
}

/// Which adapter to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterSelector {
    /// The fastest kind of hardware: discrete, integrated, virtual. Never software.
    Hardware,
    /// Hardware if there is any, otherwise software.
    Any,
    /// The first whose name contains the text, of any kind, ignoring case.
    Named(String),
}

/// One adapter of this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AdapterDescription {
    /// The driver's name for it.
    pub name: String,
    /// "discrete", "integrated", "virtual", "software" or "other".
    pub kind: &'static str,
    /// "vulkan", "metal" or "dx12".
    pub api: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Maximum bytes of a buffer.
    pub max_buffer_bytes: u64,
    /// Maximum bytes of a buffer that a shader can access at once.
    pub max_binding_bytes: u64,
    /// Bytes of shared memory of a workgroup.
    pub workgroup_memory_bytes: u32,
    /// Maximum workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
}

impl AdapterDescription {
    fn of(adapter: &Adapter) -> Self {
        let information = adapter.get_info();
        let limits = adapter.limits();
        Self {
            kind: match information.device_type {
                DeviceType::DiscreteGpu => "discrete",
                DeviceType::IntegratedGpu => "integrated",
                DeviceType::VirtualGpu => "virtual",
                DeviceType::Cpu => "software",
                DeviceType::Other => "other",
            },
            api: information.backend.to_string(),
            driver: format!("{} {}", information.driver, information.driver_info).trim().to_string(),
            name: information.name,
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// Whether it runs on the CPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// The rank of an adapter in order of preference.
    fn rank(&self) -> usize {
        let order = ["discrete", "integrated", "virtual", "other", "software"];
        order.iter().position(|kind| *kind == self.kind).unwrap_or(order.len())
    }
}

impl fmt::Display for AdapterDescription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}, {}, {})", self.name, self.kind, self.api, self.driver)
    }
}

/// The adapters of this machine that can run the shaders, in the order of preference.
#[must_use]
pub fn adapters() -> Vec<AdapterDescription> {
    ranked_adapters().into_iter().map(|(description, _)| description).collect()
}

fn ranked_adapters() -> Vec<(AdapterDescription, Adapter)> {
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    descriptor.backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
    let instance = Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(Backends::all()));
    let mut adapters: Vec<_> =
        found.into_iter().map(|adapter| (AdapterDescription::of(&adapter), adapter)).collect();
    // A card offered by two interfaces appears once for each; list order breaks ties.
    adapters.sort_by_key(|(description, _)| description.rank());
    adapters
}

/// An open device. Errors do not panic: they are recorded, and every wait reports them.
#[derive(Debug)]
pub struct GpuContext {
    pub(super) device: Device,
    pub(super) queue: Queue,
    description: AdapterDescription,
    failure: Arc<Mutex<Option<String>>>,
}

impl GpuContext {
    /// Opens the adapter chosen by `selector`, with its full buffer sizes.
    ///
    /// # Errors
    /// If there is no such adapter, or it refuses to open.
    pub fn open(selector: &AdapterSelector) -> Result<Self, GpuError> {
        let adapters = ranked_adapters();
        let wanted = |description: &AdapterDescription| match selector {
            AdapterSelector::Hardware => !description.is_software(),
            AdapterSelector::Any => true,
            AdapterSelector::Named(name) => description.name.to_lowercase().contains(&name.to_lowercase()),
        };
        let names: Vec<String> = adapters.iter().map(|(description, _)| description.name.clone()).collect();
        let Some((description, adapter)) = adapters.into_iter().find(|(description, _)| wanted(description))
        else {
            return Err(no_adapter(selector, &names));
        };
        let offered = adapter.limits();
        let required_limits = Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            // As many as `shaders/banded_join.wgsl` uses, and as WebGPU guarantees.
            max_storage_buffers_per_shader_stage: 8,
            ..Limits::downlevel_defaults()
        };
        let descriptor = DeviceDescriptor {
            label: Some("tamis"),
            required_limits: required_limits.or_worse_values_from(&offered),
            memory_hints: MemoryHints::Performance,
            ..DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| GpuError::NoDevice(error.to_string()))?;
        let failure = Arc::new(Mutex::new(None));
        let on_error = Arc::clone(&failure);
        device
            .on_uncaptured_error(Arc::new(move |error: wgpu::Error| remember(&on_error, error.to_string())));
        let on_loss = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            remember(&on_loss, format!("device lost ({reason:?}): {message}"));
        });
        Ok(Self { device, queue, description, failure })
    }

    /// The adapter.
    #[must_use]
    pub const fn description(&self) -> &AdapterDescription {
        &self.description
    }

    /// Makes the device fail from now on, as a driver's crash would. For tests.
    pub fn simulate_loss(&self) {
        self.device.destroy();
    }

    /// An encoder that records commands until they are submitted.
    pub(super) fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&CommandEncoderDescriptor::default())
    }

    /// The error that the device reported, if any.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        lock(&self.failure).clone().map_or(Ok(()), |message| Err(GpuError::Lost(message)))
    }

    /// Waits until a submission is done and its callbacks have run.
    pub(super) fn wait(&self, submission: Option<SubmissionIndex>) -> Result<(), GpuError> {
        self.check()?;
        let wait = PollType::Wait { submission_index: submission, timeout: Some(PATIENCE) };
        self.device.poll(wait).map_err(|error| GpuError::Lost(error.to_string()))?;
        self.check()
    }

    /// Runs callbacks of completed work, without waiting.
    pub(super) fn poll(&self) -> Result<(), GpuError> {
        self.device.poll(PollType::Poll).map_err(|error| GpuError::Lost(error.to_string()))?;
        self.check()
    }

    /// Maximum bytes of a storage buffer.
    pub(super) fn max_storage_bytes(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }
}

fn no_adapter(selector: &AdapterSelector, names: &[String]) -> GpuError {
    let there = if names.is_empty() {
        "this machine has no Vulkan, Metal or Direct3D 12 driver".to_string()
    } else {
        format!("this machine has: {}", names.join(", "))
    };
    let what = match selector {
        AdapterSelector::Hardware => "no hardware GPU".to_string(),
        AdapterSelector::Any => "no GPU".to_string(),
        AdapterSelector::Named(name) => {
            format!("no GPU whose name contains `{}`", crate::source::name::escape(name.as_bytes()))
        }
    };
    GpuError::NoAdapter(format!("{what}; {there} (use --backend cpu: the results are the same)"))
}

/// Keeps the first error, which causes the others.
fn remember(failure: &Mutex<Option<String>>, message: String) {
    lock(failure).get_or_insert(message);
}

fn lock(failure: &Mutex<Option<String>>) -> MutexGuard<'_, Option<String>> {
    failure.lock().unwrap_or_else(PoisonError::into_inner)
}
