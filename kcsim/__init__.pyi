__version__: str

from . import retrain as retrain
from .clustering.scheme import Clustering as Clustering
from .clustering.spec import parse_clustering as parse_clustering
from .conv.execute import clustered_conv2d as clustered_conv2d
from .conv.module import cluster_model as cluster_model
from .errors import InputError as InputError
from .errors import KcsimError as KcsimError
from .errors import MappingError as MappingError
from .estimation.compare import compare_executions as compare_executions
from .estimation.estimate import estimate as estimate
from .estimation.result import Result as Result
from .estimation.result import Run as Run
from .exploration.exploration import Exploration as Exploration
from .exploration.exploration import load_exploration as load_exploration
from .exploration.explore import explore as explore
from .hardware.areas import hardware_components as hardware_components
from .hardware.components.part import Estimate as Estimate
from .hardware.components.part import Part as Part
from .hardware.components.standard import StandardLibrary as StandardLibrary
from .hardware.explained import explain_number as explain_number
from .hardware.reader import load_hardware as load_hardware
from .hardware.schema import Hardware as Hardware
from .mapping.fixed import FixedLevel as FixedLevel
from .mapping.fixed import FixedMapping as FixedMapping
from .mapping.fixed_reader import read_fixed as read_fixed
from .mapping.foreign.convert import Conversion as Conversion
from .mapping.foreign.convert import convert as convert
from .mapping.layers import MappingTask as MappingTask
from .mapping.layers import map_layers as map_layers
from .mapping.nest import LevelLoops as LevelLoops
from .mapping.nest import Loop as Loop
from .mapping.nest import Mapping as Mapping
from .mapping.ranking import rank_mappings as rank_mappings
from .mapping.reader import read_mapping as read_mapping
from .mapping.search import (
    FrontPoint as FrontPoint,
)
from .mapping.search import (
    SearchResult as SearchResult,
)
from .mapping.search import (
    find_front as find_front,
)
from .mapping.search import (
    find_mapping as find_mapping,
)
from .mapping.search import (
    search_mapping as search_mapping,
)
from .model.best import map_layer as map_layer
from .model.bulk import (
    BulkCounts as BulkCounts,
)
from .model.bulk import (
    count_mappings as count_mappings,
)
from .model.bulk import (
    stack_heights as stack_heights,
)
from .model.bulk import (
    stack_mappings as stack_mappings,
)
from .model.counts import Counts as Counts
from .model.counts import count_layer as count_layer
from .model.evaluate import evaluate as evaluate
from .model.insight import explain_mapping as explain_mapping
from .model.layer_estimate import LayerEstimate as LayerEstimate
from .replay.dense import replay_layer as replay_layer
from .report import plot as plot
from .weights.cluster import cluster_network as cluster_network
from .weights.clustered import ClusteredWeights as ClusteredWeights
from .weights.clustered_reader import load_clustered as load_clustered
from .weights.clustered_writer import save_clustered as save_clustered
from .weights.weight_files import load_weights as load_weights
from .workload.imports.torch_model import from_torch as from_torch
from .workload.layer import ConvLayer as ConvLayer
from .workload.network import Network as Network
from .workload.reader import load_layer as load_layer
from .workload.reader import load_network as load_network
from .workload.zeros import ZeroShares as ZeroShares
